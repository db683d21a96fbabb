queue.enqueue_at(
    BIRTHDAY,
    GrowUp { pet: PET, into: STAGE },
).await?
