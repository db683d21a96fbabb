queue.enqueue(
    NewJob::new(Wobble { fails: 2 })
        .retry(RETRY),
).await?
