queue.enqueue(
    NewJob::new(Broken { pet: PET })
        .retry(Retry::intervals(3, PAUSES)),
).await?
