# Language, warnings, hardening, sanitizers and the compiler cache: the same for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
add_compile_options(-fPIE)  # libraries too: all are linked into programs, and one mode lets them share a precompiled header
add_link_options(-pie)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug or Release" FORCE)
endif()
# Release keeps symbols, and never sets NDEBUG: the asserts inside the libraries stay.
# Under ASan and UBSan one file that uses JSON takes g++ 12 25 s with -O1 and 8 s with -O0: the dev preset takes -O0.
set(KHIPU_DEBUG_OPTIMIZATION "-O1" CACHE STRING "Optimisation of a sanitized Debug build")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
if(KHIPU_SANITIZE)
  set(CMAKE_CXX_FLAGS_DEBUG "${KHIPU_DEBUG_OPTIMIZATION} -g1")
endif()
if(KHIPU_UNITY)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -fstack-protector-strong
                    "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
if(KHIPU_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees an overlap in `"text" + std::string` that is not there (GCC bug 105651).
  add_compile_options(-Wno-restrict)
else()
  # libstdc++ 12's stable_sort asks for a function that it calls deprecated itself.
  add_compile_options(-Wno-deprecated-declarations)
endif()

if(KHIPU_SANITIZE)
  add_compile_options("-fsanitize=${KHIPU_SANITIZE}" -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${KHIPU_SANITIZE}")
  if(KHIPU_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code hides from g++ that a std::optional or std::variant was checked first.
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # As above: sizes of 2^63 that std::string can never have (GCC bugs 105329, 105562).
    add_compile_options(-Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-maybe-uninitialized)
  endif()
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  add_link_options(-Wl,-z,relro,-z,now)
endif()

# A hundred test programs are linked: with GNU ld that takes longer than compiling them from the cache.
find_program(KHIPU_MOLD mold)
if(KHIPU_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=mold)
endif()

if(KHIPU_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage counters in every room
endif()

# One cache for every clone and build folder: paths below the source folder are cached as relative ones.
find_program(KHIPU_CCACHE ccache)
if(KHIPU_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${PROJECT_SOURCE_DIR};CCACHE_NOHASHDIR=1;\
CCACHE_IGNOREOPTIONS=-fmacro-prefix-map=*;CCACHE_SLOPPINESS=pch_defines,time_macros;${KHIPU_CCACHE}")
endif()
