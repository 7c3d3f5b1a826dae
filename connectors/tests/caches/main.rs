//! One contract for both caches; Redis runs it where `REDIS_URL` is set (`tests/run.sh` starts one).

mod contract;
#[cfg(feature = "redis")]
mod failing;
#[cfg(feature = "redis")]
mod own;
