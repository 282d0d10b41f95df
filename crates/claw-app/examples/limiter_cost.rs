//! What leave to have an answer generated costs, alone: `cargo run --release -p claw-app --example limiter_cost`.
//! At most 1 µs for each request is wanted (K19).

use std::sync::Arc;
use std::time::Instant;

use claw_app::limiter::{Claim, Limiter, Quota, Quotas};
use claw_core::{ApiKeyId, Principal, PrincipalId, Scope, Scopes};
use claw_runtime::SystemClock;

const REQUESTS: u32 = 2_000_000;

fn main() {
    let quota = Quota { requests_per_minute: u32::MAX, concurrent_max: 100_000, tokens_per_month: 0 };
    let quotas = Quotas { operator: quota, api_keys: quota, ..Quotas::NONE };
    let limiter = Limiter::new(quotas, Arc::new(SystemClock));
    let id = PrincipalId::api_key(ApiKeyId::from_uuid(uuid::Uuid::from_u128(7)));
    let key = Principal { id, scopes: Scopes::of(&[Scope::Write]) };
    for (name, principal) in [("operator", Principal::operator()), ("key", key)] {
        let began = Instant::now();
        for _ in 0..REQUESTS {
            let _free_at_once = limiter.admit(&principal, Claim::ONE);
        }
        println!("{name}: {} ns for each request", began.elapsed().as_nanos() / u128::from(REQUESTS));
    }
}
