# Everything comes from Debian packages; tools/setup installs them by name.
if(POLICY CMP0167)
  cmake_policy(SET CMP0167 NEW)  # Boost is found by its own package file; only headers are used
endif()
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# 1.11 is the first release with the interface used here. Debian 12 has it in bookworm-backports, Debian 13 in main.
# Below 1.22.1 qlog must stay off (CVE-2026-40170); tests/unit/house_test.cpp sees to it.
pkg_check_modules(NGTCP2 IMPORTED_TARGET libngtcp2>=1.11 libngtcp2_crypto_gnutls>=1.11)
if(NOT NGTCP2_FOUND)
  message(FATAL_ERROR "ngtcp2 1.11 or newer with its GnuTLS helper was not found. `tools/setup build` installs it, on "
    "Debian 12 from bookworm-backports; the plain package there is too old.")
endif()
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls>=3.7)
pkg_check_modules(EXPAT REQUIRED IMPORTED_TARGET expat>=2.4)  # from there on it bounds what entities can cost
find_package(OpenSSL 3.0 REQUIRED)  # only for what looks like a browser's connection: Beast and Asio speak with it

if(NOT GINNEL_FUZZ)
  find_package(Boost 1.81 REQUIRED)  # headers only: Asio, Beast, JSON
  find_package(spdlog REQUIRED)
  find_package(CLI11 REQUIRED)
endif()
