// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// Linked into the self-contained builds with --wrap=hypot --wrap=hypotf, so that they load with glibc 2.34 (RHEL 9 and
// its relatives) when they are linked with a newer one. glibc 2.35 gave both functions a second version; the Swift runtime
// names the one for float, the tool the one for double, and a linker takes the newest version that it sees. Nothing else
// of 2.35 is needed.
#if defined(__x86_64__)
__asm__(".symver first_hypot, hypot@GLIBC_2.2.5");
__asm__(".symver first_hypotf, hypotf@GLIBC_2.2.5");
#elif defined(__aarch64__)
__asm__(".symver first_hypot, hypot@GLIBC_2.17");
__asm__(".symver first_hypotf, hypotf@GLIBC_2.17");
#else
#error "which version of glibc was the first on this machine? `readelf --dyn-syms --wide libm.so.6 | grep hypot`"
#endif

double first_hypot(double x, double y);
double __wrap_hypot(double x, double y);
float first_hypotf(float x, float y);
float __wrap_hypotf(float x, float y);

__attribute__((visibility("hidden"))) double __wrap_hypot(double x, double y) { return first_hypot(x, y); }
__attribute__((visibility("hidden"))) float __wrap_hypotf(float x, float y) { return first_hypotf(x, y); }
