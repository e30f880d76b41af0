# Everything comes from Debian packages; tools/setup installs them by name.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# 1.11 is the first release with the interface used here. Debian 12 has it in bookworm-backports, Debian 13 in main.
pkg_check_modules(NGTCP2 REQUIRED IMPORTED_TARGET libngtcp2>=1.11 libngtcp2_crypto_gnutls>=1.11)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls>=3.7)

if(NOT GINNEL_FUZZ)
  find_package(Boost 1.81 REQUIRED)  # headers only: Asio, JSON
  find_package(spdlog REQUIRED)
  find_package(CLI11 REQUIRED)
endif()
