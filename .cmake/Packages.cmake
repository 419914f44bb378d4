# Every library of others, once, behind one alias khipu::<name>. Rooms write the alias in LINKS and never learn whether a
# CMake package, pkg-config or a plain header was found. examples/install_deps.sh installs all of them on Debian.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# khipu_package(json nlohmann_json::nlohmann_json): khipu::json is whatever targets follow.
function(khipu_package name)
  add_library(khipu_package_${name} INTERFACE)
  target_link_libraries(khipu_package_${name} INTERFACE ${ARGN})
  add_library(khipu::${name} ALIAS khipu_package_${name})
endfunction()

find_package(OpenSSL 3.0 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(simdjson REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(date REQUIRED)
khipu_package(threads Threads::Threads)
khipu_package(crypto OpenSSL::Crypto)
khipu_package(tls OpenSSL::SSL OpenSSL::Crypto)
khipu_package(json nlohmann_json::nlohmann_json)
khipu_package(simdjson simdjson::simdjson)
khipu_package(fmt fmt::fmt)
khipu_package(zlib ZLIB::ZLIB)
khipu_package(cli11 CLI11::CLI11)
khipu_package(toml tomlplusplus::tomlplusplus)
khipu_package(date date::date)
khipu_package(date_tz date::date-tz)

# SHA-256 in the lanes of wide registers; x86-64 only, and khipu hashes the same without it, only slower. The kernels are
# in the static library alone, and declared in engine/crypto/hash_lanes.cc as version 1.3 defines them.
find_path(KHIPU_IPSEC_MB_INCLUDE intel-ipsec-mb.h)
find_library(KHIPU_IPSEC_MB_ARCHIVE libIPSec_MB.a)
set(found "none")
if(KHIPU_IPSEC_MB_INCLUDE AND KHIPU_IPSEC_MB_ARCHIVE)
  file(STRINGS "${KHIPU_IPSEC_MB_INCLUDE}/intel-ipsec-mb.h" found REGEX "define IMB_VERSION_STR" LIMIT_COUNT 1)
  string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" found "${found}")
endif()
if(found MATCHES "^1\\.3\\.")
  khipu_package(ipsec_mb "${KHIPU_IPSEC_MB_ARCHIVE}")
  target_compile_definitions(khipu_package_ipsec_mb INTERFACE KHIPU_IPSEC_MB)
else()
  message(STATUS "libIPSec_MB 1.3 with its static library: ${found} found; hashes are made one by one")
  khipu_package(ipsec_mb)
endif()

find_package(unofficial-sodium QUIET)  # vcpkg's name; Debian has only the pkg-config file
if(TARGET unofficial-sodium::sodium)
  khipu_package(sodium unofficial-sodium::sodium)
else()
  pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
  khipu_package(sodium PkgConfig::sodium)
endif()

# cpp-httplib: 0.41 is the oldest whose parser bounds what strangers send. Debian 12's own package (0.11.4) is refused.
find_package(httplib 0.41 QUIET)
if(TARGET httplib::httplib)
  khipu_package(httplib httplib::httplib)
else()
  set(cache "$ENV{XDG_CACHE_HOME}")
  if(NOT cache)
    set(cache "$ENV{HOME}/.cache")
  endif()
  find_path(KHIPU_HTTPLIB_INCLUDE httplib.h NO_DEFAULT_PATH
            PATHS "${KHIPU_HTTPLIB_DIR}" "$ENV{KHIPU_HTTPLIB_DIR}" "${cache}/khipu/cpp-httplib")
  set(found "none")
  if(KHIPU_HTTPLIB_INCLUDE)
    file(STRINGS "${KHIPU_HTTPLIB_INCLUDE}/httplib.h" found REGEX "define CPPHTTPLIB_VERSION \"" LIMIT_COUNT 1)
    string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" found "${found}")
  endif()
  if(found STREQUAL "none" OR found VERSION_LESS 0.41)
    unset(KHIPU_HTTPLIB_INCLUDE CACHE)
    message(FATAL_ERROR "khipu needs cpp-httplib 0.41 or newer (found: ${found}). Run examples/install_deps.sh, "
                        "which fetches it, or name the folder that holds httplib.h: -DKHIPU_HTTPLIB_DIR=...")
  endif()
  khipu_package(httplib Threads::Threads)
  target_include_directories(khipu_package_httplib SYSTEM INTERFACE "${KHIPU_HTTPLIB_INCLUDE}")
endif()

pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
# Its -pthread would define _REENTRANT for some targets only, and a precompiled header is then refused.
set_target_properties(PkgConfig::re2 PROPERTIES INTERFACE_COMPILE_OPTIONS "")
khipu_package(re2 PkgConfig::re2)

# Signed tokens (JWS) and keys (JWK) of authorization servers. Not libjwt: what Debian 12 has of it refuses the type
# at+jwt, which RFC 9068 demands of access tokens, and knows no EdDSA.
pkg_check_modules(rhonabwy REQUIRED IMPORTED_TARGET librhonabwy>=1.1.7)
khipu_package(rhonabwy PkgConfig::rhonabwy)
