queue.enqueue(
    LongJob { seconds: 3 },
).await?
