# What `cmake --install` puts where, and the Debian packages that CPack makes of it (docs/install.md, docs/decisions/0009-packages.md).
#   component program   bin/calve, lib/calve/ with the shared libraries that are not the system's, manual pages, completions, units, documentation
#   component chdb      lib/calve/libchdb.so, the embedded ClickHouse: a package of its own, for it is ten times the rest
include(GNUInstallDirs)
set(private lib/calve)
set(documentation ${CMAKE_INSTALL_DATADIR}/doc/calve)

# Pages and completions are made of the program itself.
set(generated ${CMAKE_BINARY_DIR}/generated)
add_custom_command(OUTPUT ${generated}/stamp DEPENDS calve VERBATIM
  COMMENT "Manual pages and shell completions"
  COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:calve> -DFOLDER=${generated} -P ${CMAKE_CURRENT_LIST_DIR}/CalveGenerated.cmake)
add_custom_target(calve_generated ALL DEPENDS ${generated}/stamp)

install(TARGETS calve RUNTIME DESTINATION bin COMPONENT program)
if(CALVE_ARROW_FROM_WHEEL)
  file(GLOB arrow_libraries ${CALVE_ARROW_LIBRARY_DIR}/libarrow.so.* ${CALVE_ARROW_LIBRARY_DIR}/libparquet.so.*)
  install(FILES ${arrow_libraries} DESTINATION ${private} COMPONENT program)
  install(FILES ${wheel}/LICENSE.txt ${wheel}/NOTICE.txt DESTINATION ${documentation}/arrow COMPONENT program)
endif()
if(EXISTS ${CALVE_DEPS}/chdb/libchdb.so)
  install(FILES ${CALVE_DEPS}/chdb/libchdb.so DESTINATION ${private} COMPONENT chdb)
  install(FILES packaging/debian/copyright-chdb RENAME copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/calve-chdb COMPONENT chdb)
endif()

install(DIRECTORY ${generated}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT program)
install(FILES ${generated}/calve.bash RENAME calve DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)
install(FILES ${generated}/_calve DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT program)
install(FILES ${generated}/calve.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)

install(FILES README.md CHANGELOG.md DESTINATION ${documentation} COMPONENT program)
install(DIRECTORY docs DESTINATION ${documentation} COMPONENT program)
install(DIRECTORY examples DESTINATION ${documentation} COMPONENT program PATTERN __pycache__ EXCLUDE)
install(PROGRAMS spark/calve_offload.py spark/pack_calve DESTINATION ${CMAKE_INSTALL_DATADIR}/calve/spark COMPONENT program)
install(FILES deploy/prometheus/calve_alerts.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/calve/prometheus COMPONENT program)
install(FILES deploy/grafana/calve.json DESTINATION ${CMAKE_INSTALL_DATADIR}/calve/grafana COMPONENT program)

# Units name the program where it is installed; that is known only then. Debian wants some things of /usr that others do not.
install(CODE "
  set(source \"${CMAKE_SOURCE_DIR}\")
  set(scratch \"${CMAKE_BINARY_DIR}/installed\")
  set(generated \"${generated}\")
  set(commit_file \"${CMAKE_BINARY_DIR}/commit.cc\")
  set(version \"${PROJECT_VERSION}\")
  set(maintainer \"${CALVE_MAINTAINER}\")
  include(\"${CMAKE_CURRENT_LIST_DIR}/CalveInstalled.cmake\")" COMPONENT program)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/package)
set(CPACK_PACKAGE_NAME calve)
set(CPACK_PACKAGE_VENDOR calve)
set(CPACK_PACKAGE_CONTACT "${CALVE_MAINTAINER}")
set(CPACK_COMPONENTS_ALL program)
if(EXISTS ${CALVE_DEPS}/chdb/libchdb.so)
  list(APPEND CPACK_COMPONENTS_ALL chdb)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_STRIP_FILES ON)
set(CPACK_SET_DESTDIR ON)  # /etc is outside of the prefix
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_THREADS 0)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)  # xz: a tenth smaller, and a minute longer
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CALVE_ARROW_LIBRARY_DIR})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME calve)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION "moves closed windows of ClickHouse tables into Apache Iceberg
calve offloads closed time windows of ClickHouse tables into Apache Iceberg
tables, exactly once: the watermark is in the Iceberg snapshot that holds the
rows. It compares and repairs, retires what is verified in cold, restores it,
keeps the tables compact, and runs on a schedule with metrics and alerts.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "adduser, tzdata, ca-certificates")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "calve-chdb, prometheus, clickhouse-server")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/packaging/debian/postinst ${CMAKE_SOURCE_DIR}/packaging/debian/prerm
    ${CMAKE_SOURCE_DIR}/packaging/debian/postrm ${CMAKE_SOURCE_DIR}/packaging/debian/conffiles)

set(CPACK_DEBIAN_CHDB_PACKAGE_NAME calve-chdb)
set(CPACK_DEBIAN_CHDB_PACKAGE_ENHANCES calve)
set(CPACK_COMPONENT_CHDB_DESCRIPTION "embedded ClickHouse for calve
The library libchdb.so: ClickHouse inside the process. calve loads it where a
source is chdb:DIR, and needs it for nothing else.")
include(CPack)
