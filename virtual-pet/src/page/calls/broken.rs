queue.enqueue(
    NewJob::new(Broken { pet: PET })
        .retry(RETRY),
).await?
