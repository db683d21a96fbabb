queue.enqueue(
    NewJob::new(Wobble { fails: 2 })
        .retry(Retry::intervals(3, PAUSES)),
).await?
