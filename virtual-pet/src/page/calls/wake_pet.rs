queue.enqueue_in(
    NAP,
    WakePet { pet: PET, nap: COUNT },
).await?
