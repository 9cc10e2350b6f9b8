# Which commit this is, as a source file of its own: calve alone is linked anew when it changes, and nothing else is compiled.
#   include(CalveCommit); calve_commit(TARGET)   adds it to a program
#   cmake -DSOURCE=… -DOUTPUT=… -P CalveCommit.cmake   writes it, where it differs from what is there
# Without git (a source archive) the file COMMIT at the top tells: "HASH DATE", as `git archive` fills it in.
if(CMAKE_SCRIPT_MODE_FILE)
  set(commit "unknown")
  set(date "")
  find_program(GIT git)
  if(GIT AND EXISTS ${SOURCE}/.git)
    execute_process(COMMAND ${GIT} -C ${SOURCE} log -1 --format=%H\ %cs OUTPUT_VARIABLE said OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    execute_process(COMMAND ${GIT} -C ${SOURCE} --no-optional-locks status --porcelain --untracked-files=no
                    OUTPUT_VARIABLE changes OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  elseif(EXISTS ${SOURCE}/COMMIT)
    file(STRINGS ${SOURCE}/COMMIT said LIMIT_COUNT 1)
  endif()
  if("${said}" MATCHES "^([0-9a-f]+) ([0-9]+-[0-9]+-[0-9]+)$")
    set(commit ${CMAKE_MATCH_1})
    set(date ${CMAKE_MATCH_2})
    if(NOT "${changes}" STREQUAL "")
      string(APPEND commit "-dirty")
    endif()
  endif()
  set(text "namespace calve {\nextern const char kCommit[], kCommitDate[];\nconst char kCommit[] = \"${commit}\";\nconst char kCommitDate[] = \"${date}\";\n}  // namespace calve\n")
  file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "${text}" @ONLY)  # leaves a file that says the same as it is
  return()
endif()

set(CALVE_COMMIT_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(calve_commit target)
  set(file ${CMAKE_BINARY_DIR}/commit.cc)
  add_custom_target(calve_commit_file BYPRODUCTS ${file} COMMENT "Asking git for the commit"
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUTPUT=${file} -P ${CALVE_COMMIT_SCRIPT})
  target_sources(${target} PRIVATE ${file})
  add_dependencies(${target} calve_commit_file)
endfunction()
