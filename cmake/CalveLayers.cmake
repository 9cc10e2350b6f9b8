# One static library and one test program for each folder of src/calve: calve_NAME from NAME/*.cc, calve_NAME_test
# from NAME/*_test.cc and NAME/testing_*.cc. New files are picked up by themselves. TESTS_WITH names layers whose
# testing_*.cc the tests use as well; REAL_SERVERS: ctest runs the suites named so in one process.
#
# A layer's files are compiled CALVE_UNITY at a time, and so are its tests: headers and their templates are most of the work.
# So names in anonymous namespaces must differ within a layer. The debug preset compiles each file by itself.
set(CALVE_UNITY 8 CACHE STRING "How many of a layer's sources are compiled as one; 0: each by itself")

set(CALVE_WARNINGS -Wall -Wextra -Werror -Wno-unused-parameter -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  # False alarms of GCC 12 and 13 inside std::string and std::variant once they are inlined (GCC bugs 105329, 105562, 105651).
  list(APPEND CALVE_WARNINGS -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-maybe-uninitialized)
endif()

add_library(calve_flags INTERFACE)
target_include_directories(calve_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(calve_flags INTERFACE ${CALVE_WARNINGS})
target_compile_definitions(calve_flags INTERFACE CALVE_VERSION="${PROJECT_VERSION}" SPDLOG_FMT_EXTERNAL=1)
target_link_libraries(calve_flags INTERFACE Calve::Arrow fmt::fmt Threads::Threads)
if(CALVE_SANITIZE)
  target_compile_options(calve_flags INTERFACE -fsanitize=${CALVE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(calve_flags INTERFACE -fsanitize=${CALVE_SANITIZE})
endif()

# What nearly every file includes, compiled once; for tests with GoogleTest. Tests are compiled without optimisation and
# UndefinedBehaviorSanitizer: most of the time goes into the two, and the libraries under test have them.
set(CALVE_COMMON_HEADERS <algorithm> <cstdint> <map> <memory> <optional> <string> <string_view> <variant> <vector>
                         <arrow/api.h> <fmt/format.h>)
file(WRITE ${CMAKE_BINARY_DIR}/pch.cc "")
add_library(calve_pch OBJECT ${CMAKE_BINARY_DIR}/pch.cc)
target_link_libraries(calve_pch PUBLIC calve_flags)
target_precompile_headers(calve_pch PRIVATE ${CALVE_COMMON_HEADERS})

if(CALVE_BUILD_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_custom_target(unit_tests)
  add_library(calve_test_flags INTERFACE)
  target_compile_options(calve_test_flags INTERFACE -O0)
  if(CALVE_SANITIZE MATCHES undefined)
    target_compile_options(calve_test_flags INTERFACE -fno-sanitize=undefined)
  endif()
  target_link_libraries(calve_test_flags INTERFACE calve_flags GTest::gtest GTest::gmock GTest::gtest_main)
  file(WRITE ${CMAKE_BINARY_DIR}/test_pch.cc "")
  add_library(calve_test_pch OBJECT ${CMAKE_BINARY_DIR}/test_pch.cc)
  target_link_libraries(calve_test_pch PUBLIC calve_test_flags)
  target_precompile_headers(calve_test_pch PRIVATE ${CALVE_COMMON_HEADERS} <gmock/gmock.h> <gtest/gtest.h>)
endif()

# Makes a program find the Arrow libraries: beside itself after `make install`, in the build tree until then.
function(calve_runtime target)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    BUILD_RPATH "\$ORIGIN;${CALVE_ARROW_LIBRARY_DIR}" INSTALL_RPATH "\$ORIGIN/../lib/calve")
endfunction()

function(calve_unity target)
  if(CALVE_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${CALVE_UNITY})
    # GCC takes a type of an included file's anonymous namespace for one that others see too.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

function(calve_layer name)
  cmake_parse_arguments(ARG "REAL_SERVERS;SEQUENTIAL" "" "DEPENDS;LIBRARIES;TESTS_WITH" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/calve/${name}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|/main|/testing_[a-z_]+)\\.cc$")
  list(TRANSFORM ARG_DEPENDS PREPEND calve_)
  if(sources)
    add_library(calve_${name} STATIC ${sources})
    target_precompile_headers(calve_${name} REUSE_FROM calve_pch)
    calve_unity(calve_${name})
    target_link_libraries(calve_${name} PUBLIC calve_flags ${ARG_DEPENDS} ${ARG_LIBRARIES})
  else()
    add_library(calve_${name} INTERFACE)
    target_link_libraries(calve_${name} INTERFACE calve_flags ${ARG_DEPENDS} ${ARG_LIBRARIES})
  endif()
  if(CALVE_BUILD_TESTS AND tests AND NOT (ARG_SEQUENTIAL AND CALVE_SANITIZE STREQUAL "thread"))
    set(support "")
    foreach(owner ${name} ${ARG_TESTS_WITH})  # a layer, or "layer/name" for its testing_name*.cc alone
      string(REPLACE "/" "/testing_" pattern ${owner})
      if(pattern STREQUAL owner)
        set(pattern ${owner}/testing_)
      endif()
      file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/calve/${pattern}*.cc)
      list(APPEND support ${files})
    endforeach()
    add_executable(calve_${name}_test ${tests} ${support})
    target_precompile_headers(calve_${name}_test REUSE_FROM calve_test_pch)
    target_link_libraries(calve_${name}_test PRIVATE calve_${name} calve_test_flags)
    target_compile_definitions(calve_${name}_test PRIVATE CALVE_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data" CALVE_TEST_DEPS="${CALVE_DEPS}")
    calve_unity(calve_${name}_test)
    calve_runtime(calve_${name}_test)
    set(filter "")
    set(without_servers "")
    if(ARG_REAL_SERVERS)  # see http/testing_server_process.h
      set(filter TEST_FILTER -*RealServer*)
      set(without_servers --gtest_filter=-*RealServer*)
      add_test(NAME ${name}.RealServers COMMAND calve_${name}_test --gtest_filter=*RealServer*)
    endif()
    if(CALVE_SANITIZE)  # a sanitizer takes a second to start: a few processes for each layer, not one for each test
      set(shards 4)
      foreach(shard RANGE 1 ${shards})
        math(EXPR index "${shard} - 1")
        add_test(NAME ${name}.${shard}_of_${shards} COMMAND calve_${name}_test ${without_servers})
        set_tests_properties(${name}.${shard}_of_${shards} PROPERTIES
          ENVIRONMENT "GTEST_TOTAL_SHARDS=${shards};GTEST_SHARD_INDEX=${index}")
      endforeach()
    else()
      gtest_discover_tests(calve_${name}_test TEST_PREFIX ${name}. ${filter} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
    endif()
    add_dependencies(unit_tests calve_${name}_test)
  endif()
endfunction()

# The files of a folder as part of a layer (EmbedFiles.cmake).
function(calve_page name folder)
  file(GLOB files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/${folder} ${CMAKE_SOURCE_DIR}/${folder}/*)
  set(made ${CMAKE_BINARY_DIR}/${name}_page.cc)
  string(REPLACE ";" "," list "${files}")
  list(TRANSFORM files PREPEND ${CMAKE_SOURCE_DIR}/${folder}/)
  add_custom_command(OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${made} -DFOLDER=${CMAKE_SOURCE_DIR}/${folder} -DFILES=${list}
            -P ${CMAKE_SOURCE_DIR}/cmake/EmbedFiles.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/EmbedFiles.cmake VERBATIM)
  target_sources(calve_${name} PRIVATE ${made})
  set_source_files_properties(${made} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
