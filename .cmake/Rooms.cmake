# Rooms, tests, programs and fuzz targets. A room is a folder: one call, one static library, one namespace.
#
#   khipu_room(SOURCES frame.cc USES engine/base LINKS khipu::sodium)       khipu_engine_codec in engine/codec
#   khipu_test(SOURCES frame_test.cc USES engine/codec tests/support)       test_engine_codec in tests/engine/codec
#   khipu_program(NAME khipu SOURCES main.cc USES engine/cli)               bin/khipu
#   khipu_fuzz(NAME frame SOURCES frame_fuzz.cc USES engine/codec)          fuzz_frame, replayed as ctest fuzz.frame
#   khipu_bench(NAME hash SOURCES hash_bench.cc USES engine/crypto)         bench_hash, run by hand
#
# USES names rooms and is the law that the lint.* tests hold the includes to; LINKS names libraries (Packages.cmake).

set(KHIPU_BIN_DIR "${PROJECT_BINARY_DIR}/bin")

function(khipu_room_target room out)
  string(REPLACE "/" "_" name "${room}")
  set(${out} "khipu_${name}" PARENT_SCOPE)
endfunction()

function(khipu_here out)
  file(RELATIVE_PATH here "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  set(${out} "${here}" PARENT_SCOPE)
endfunction()

# Links rooms and libraries to a target. A room that is named but has no folder stops the build.
function(khipu_link target scope)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "USES;LINKS")
  target_include_directories(${target} ${scope} "${PROJECT_SOURCE_DIR}")
  foreach(room IN LISTS arg_USES)
    if(NOT EXISTS "${PROJECT_SOURCE_DIR}/${room}/CMakeLists.txt")
      message(WARNING "${target}: there is no room ${room}")
      continue()
    endif()
    khipu_room_target("${room}" library)
    target_link_libraries(${target} ${scope} ${library})
  endforeach()
  target_link_libraries(${target} ${scope} ${arg_LINKS} khipu::threads)
endfunction()

function(khipu_record kind name sources uses)
  list(JOIN uses "\", \"" uses_text)
  list(JOIN sources "\", \"" sources_text)
  khipu_here(here)
  string(CONCAT line "{\"kind\": \"${kind}\", \"name\": \"${name}\", \"folder\": \"${here}\", "
                     "\"sources\": [\"${sources_text}\"], \"uses\": [\"${uses_text}\"]}")
  string(REPLACE "[\"\"]" "[]" line "${line}")
  set_property(GLOBAL APPEND PROPERTY KHIPU_ROOMS "${line}")
endfunction()

function(khipu_write_rooms_json)
  get_property(lines GLOBAL PROPERTY KHIPU_ROOMS)
  list(JOIN lines ",\n  " text)
  file(WRITE "${PROJECT_BINARY_DIR}/rooms.json" "[\n  ${text}\n]\n")
endfunction()

function(khipu_check_arguments)
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR}: unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
endfunction()

# While a room is being written its list may run ahead of its files: they are left out, with a warning.
function(khipu_existing_sources out)
  set(existing)
  foreach(source IN LISTS ARGN)
    if(IS_ABSOLUTE "${source}" OR EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${source}")
      list(APPEND existing "${source}")
    else()
      message(WARNING "${CMAKE_CURRENT_SOURCE_DIR}: there is no ${source} (run cmake again when there is)")
    endif()
  endforeach()
  set(${out} "${existing}" PARENT_SCOPE)
endfunction()

function(khipu_room)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "SOURCES;USES;LINKS")
  khipu_check_arguments()
  khipu_existing_sources(arg_SOURCES ${arg_SOURCES})
  khipu_here(here)
  khipu_room_target("${here}" target)
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    khipu_link(${target} PUBLIC USES ${arg_USES} LINKS ${arg_LINKS})
  else()
    add_library(${target} INTERFACE)
    khipu_link(${target} INTERFACE USES ${arg_USES} LINKS ${arg_LINKS})
  endif()
  khipu_record(room ${target} "${arg_SOURCES}" "${arg_USES}")
endfunction()

function(khipu_program)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;USES;LINKS")
  khipu_check_arguments()
  add_executable(${arg_NAME} ${arg_SOURCES})
  khipu_link(${arg_NAME} PRIVATE USES ${arg_USES} LINKS ${arg_LINKS})
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${KHIPU_BIN_DIR}")
  khipu_record(program ${arg_NAME} "${arg_SOURCES}" "${arg_USES}")
endfunction()

# PROGRAMS: the programs the test runs; it finds them in the folder the environment variable KHIPU_BIN names.
# LABEL: one ctest label. The test program gets KHIPU_SOURCE, KHIPU_SHARED and KHIPU_BIN from tests/support/main.cc.
function(khipu_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "LABEL;TIMEOUT" "SOURCES;USES;LINKS;PROGRAMS")
  khipu_check_arguments()
  khipu_existing_sources(arg_SOURCES ${arg_SOURCES})
  if(NOT arg_SOURCES)
    return()
  endif()
  khipu_here(here)
  string(REGEX REPLACE "^tests/" "" mirrored "${here}")
  string(REPLACE "/" "_" name "test_${mirrored}")
  add_executable(${name} ${arg_SOURCES})
  khipu_link(${name} PRIVATE USES ${arg_USES} LINKS ${arg_LINKS} khipu::catch_main)
  target_precompile_headers(${name} REUSE_FROM khipu_catch_main)
  foreach(program IN LISTS arg_PROGRAMS)
    if(TARGET ${program})
      add_dependencies(${name} ${program})
    else()
      message(WARNING "${name}: there is no program ${program}")
    endif()
  endforeach()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set(properties TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 4)
  if(arg_LABEL)
    list(APPEND properties LABELS ${arg_LABEL})
  endif()
  catch_discover_tests(${name} TEST_PREFIX "${mirrored}/" PROPERTIES ${properties})
  khipu_record(test ${name} "${arg_SOURCES}" "${arg_USES}")
endfunction()

# tests/support first, then every folder below tests/ that has a CMakeLists.txt.
macro(khipu_add_tests)
  find_package(Catch2 3 QUIET)
  if(NOT Catch2_FOUND)
    find_package(Catch2 2.13 REQUIRED)
  endif()
  include(Catch)
  # Catch2's header is compiled once: every test program reuses this library's precompiled header.
  file(WRITE "${PROJECT_BINARY_DIR}/catch_header.cc" "#include \"tests/support/catch.h\"\n")
  add_library(khipu_catch_main STATIC tests/support/main.cc "${PROJECT_BINARY_DIR}/catch_header.cc")
  target_include_directories(khipu_catch_main PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(khipu_catch_main PUBLIC Catch2::Catch2 khipu::threads)
  target_precompile_headers(khipu_catch_main PRIVATE tests/support/catch.h)
  set_source_files_properties(tests/support/main.cc PROPERTIES
    SKIP_PRECOMPILE_HEADERS ON
    COMPILE_OPTIONS "-O0;-fno-sanitize=all;-U_FORTIFY_SOURCE"  # Catch2's runner: a minute to compile otherwise
    COMPILE_DEFINITIONS "KHIPU_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\";KHIPU_BIN_DIR=\"${KHIPU_BIN_DIR}\"")
  add_library(khipu::catch_main ALIAS khipu_catch_main)

  if(EXISTS "${PROJECT_SOURCE_DIR}/tests/support/CMakeLists.txt")
    add_subdirectory(tests/support)
  endif()
  file(GLOB_RECURSE lists CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests/CMakeLists.txt")
  list(SORT lists)
  foreach(list IN LISTS lists)
    get_filename_component(folder "${list}" DIRECTORY)
    if(folder STREQUAL "tests/support" OR (folder MATCHES "^tests/fuzz" AND NOT KHIPU_FUZZ)
       OR (folder MATCHES "^tests/bench" AND NOT KHIPU_BENCH))
      continue()
    endif()
    add_subdirectory("${folder}")
  endforeach()
endmacro()
