# One static library and one test program for each folder of src/calve: calve_NAME from NAME/*.cc, calve_NAME_test
# from NAME/*_test.cc. New files are picked up by themselves.
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

# What nearly every file includes, compiled once.
file(WRITE ${CMAKE_BINARY_DIR}/pch.cc "")
add_library(calve_pch OBJECT ${CMAKE_BINARY_DIR}/pch.cc)
target_link_libraries(calve_pch PUBLIC calve_flags)
target_precompile_headers(calve_pch PRIVATE <algorithm> <cstdint> <map> <memory> <optional> <string> <string_view>
                          <variant> <vector> <arrow/api.h> <fmt/format.h>)

if(CALVE_BUILD_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_custom_target(unit_tests)
endif()

# Makes a program find the Arrow libraries: beside itself after `make install`, in the build tree until then.
function(calve_runtime target)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    BUILD_RPATH "\$ORIGIN;${CALVE_ARROW_LIBRARY_DIR}" INSTALL_RPATH "\$ORIGIN;\$ORIGIN/../lib")
endfunction()

function(calve_layer name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/calve/${name}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|/main|/testing_[a-z_]+)\\.cc$")
  list(TRANSFORM ARG_DEPENDS PREPEND calve_)
  if(sources)
    add_library(calve_${name} STATIC ${sources})
    target_precompile_headers(calve_${name} REUSE_FROM calve_pch)
    target_link_libraries(calve_${name} PUBLIC calve_flags ${ARG_DEPENDS} ${ARG_LIBRARIES})
  else()
    add_library(calve_${name} INTERFACE)
    target_link_libraries(calve_${name} INTERFACE calve_flags ${ARG_DEPENDS} ${ARG_LIBRARIES})
  endif()
  if(CALVE_BUILD_TESTS AND tests)
    file(GLOB support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/calve/${name}/testing_*.cc)
    add_executable(calve_${name}_test ${tests} ${support})
    target_precompile_headers(calve_${name}_test REUSE_FROM calve_pch)
    target_link_libraries(calve_${name}_test PRIVATE calve_${name} GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(calve_${name}_test PRIVATE CALVE_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
    calve_runtime(calve_${name}_test)
    gtest_discover_tests(calve_${name}_test TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60)
    add_dependencies(unit_tests calve_${name}_test)
  endif()
endfunction()
