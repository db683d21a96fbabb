for number in 1..=5 {
    queue.enqueue(SmallJob { number }).await?;
}
