lullaby
    .scheduler()
    .schedule(NAME, Chime { policy: POLICY })
    .every(HOUR)
    .missed(MISSED)
    .await?
