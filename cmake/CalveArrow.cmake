# Arrow and Parquet: the system's, where find_package finds them, else the shared libraries and headers of the pyarrow
# wheel, which tools/setup unpacks (docs/decisions/0001-arrow-from-the-wheel.md).
#   Calve::Arrow, Calve::Parquet   targets to link
#   CALVE_ARROW_LIBRARY_DIR        where their shared libraries are
set(CALVE_DEPS "$ENV{CALVE_DEPS}" CACHE PATH "Where tools/setup put what it fetched")
if(NOT CALVE_DEPS)
  set(CALVE_DEPS ${CMAKE_SOURCE_DIR}/.deps)
endif()
set(wheel ${CALVE_DEPS}/arrow)
if(EXISTS ${wheel}/include/arrow/api.h)
  set(CALVE_ARROW_LIBRARY_DIR ${wheel}/lib)
  set(CALVE_ARROW_FROM_WHEEL ON)
  foreach(component Arrow Parquet)
    string(TOLOWER ${component} lower)
    add_library(Calve::${component} SHARED IMPORTED)
    set_target_properties(Calve::${component} PROPERTIES
      IMPORTED_LOCATION ${wheel}/lib/lib${lower}.so
      INTERFACE_INCLUDE_DIRECTORIES ${wheel}/include INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${wheel}/include)
  endforeach()
  target_link_libraries(Calve::Parquet INTERFACE Calve::Arrow)
else()
  find_package(Arrow 21 QUIET)
  find_package(Parquet 21 QUIET)
  if(NOT Arrow_FOUND OR NOT Parquet_FOUND)
    message(FATAL_ERROR "Arrow and Parquet are missing. Run `make setup` (it unpacks them under ${CALVE_DEPS}), or install Arrow C++ 21 or newer.")
  endif()
  add_library(Calve::Arrow ALIAS Arrow::arrow_shared)
  add_library(Calve::Parquet ALIAS Parquet::parquet_shared)
  get_target_property(location Arrow::arrow_shared LOCATION)
  get_filename_component(CALVE_ARROW_LIBRARY_DIR ${location} DIRECTORY)
endif()
