.PHONY: run test browser soak bench docs

# The game, at http://127.0.0.1:5000
run:
	cargo run --release --locked

# Every test, on a fresh Debian machine too: installs what is missing.
test:
	scripts/test

# The pages in a real Chromium; part of `test`.
browser:
	scripts/browser

# The tests again, at their full sizes. Takes an hour or so; optimised, because minute-by-minute comparisons would take another.
soak:
	LULLABY_SOAK=1 CARGO_PROFILE_DEV_OPT_LEVEL=2 scripts/test

# Prints tables of both stores and of two peers, in about half an hour; asserts nothing. Wants redis-server, and python3 for RQ.
bench:
	cargo build --release --locked --workspace --bins
	target/release/lullaby-bench

# The library's documentation.
docs:
	cargo doc --locked --no-deps -p lullaby --open
