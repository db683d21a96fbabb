scheduler.schedule(
    NAME,
    Chime { policy },
)
.every(HOUR)
.missed(MISSED)
.await?
