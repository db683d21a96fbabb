queue.enqueue(
    SayHello { pet: PET },
).await?
