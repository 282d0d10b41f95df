//! Does this machine have the instructions ggml was compiled for?
//!
//! The only FFI of the crate. ggml's `ggml_cpu_has_*` tell what was compiled in, not what the
//! machine has; the standard library tells the other half.

use crate::engine::EngineError;

/// Refuses a machine that would die of an illegal instruction.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "llama-cpp-2 does not wrap these questions")]
pub(super) fn check() -> Result<(), EngineError> {
    use llama_cpp_sys_2 as ggml;
    // SAFETY: the functions take nothing, touch nothing, and return a constant.
    let compiled = unsafe {
        [
            ("AVX", ggml::ggml_cpu_has_avx(), is_x86_feature_detected!("avx")),
            ("AVX2", ggml::ggml_cpu_has_avx2(), is_x86_feature_detected!("avx2")),
            ("FMA", ggml::ggml_cpu_has_fma(), is_x86_feature_detected!("fma")),
            ("F16C", ggml::ggml_cpu_has_f16c(), is_x86_feature_detected!("f16c")),
            ("BMI2", ggml::ggml_cpu_has_bmi2(), is_x86_feature_detected!("bmi2")),
        ]
    };
    let missing: Vec<&str> =
        compiled.iter().filter(|(_, needed, found)| *needed != 0 && !found).map(|(name, ..)| *name).collect();
    if missing.is_empty() { Ok(()) } else { Err(EngineError::ProcessorTooOld { missing: missing.join(", ") }) }
}

/// Other architectures are compiled for their baseline.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn check() -> Result<(), EngineError> {
    Ok(())
}
