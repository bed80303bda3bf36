// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// Linked into the self-contained builds with --wrap=hypotf, so that they load with glibc 2.34 (RHEL 9 and its relatives)
// when they are linked with a newer one. glibc 2.35 gave hypotf a second version; the Swift runtime names the function,
// and a linker takes the newest version that it sees. Nothing else of 2.35 is needed.
#if defined(__x86_64__)
__asm__(".symver first_hypotf, hypotf@GLIBC_2.2.5");
#elif defined(__aarch64__)
__asm__(".symver first_hypotf, hypotf@GLIBC_2.17");
#else
#error "which version of glibc was the first on this machine? `readelf --dyn-syms --wide libm.so.6 | grep hypotf`"
#endif

float first_hypotf(float x, float y);
float __wrap_hypotf(float x, float y);

__attribute__((visibility("hidden"))) float __wrap_hypotf(float x, float y) { return first_hypotf(x, y); }
