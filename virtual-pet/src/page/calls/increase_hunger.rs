scheduler.schedule(
    NAME,
    IncreaseHunger { pet: PET },
)
.every(HOUR)
.await?
