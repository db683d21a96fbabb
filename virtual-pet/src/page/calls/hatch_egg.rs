queue.enqueue_in(
    EGG,
    HatchEgg { pet: PET },
).await?
