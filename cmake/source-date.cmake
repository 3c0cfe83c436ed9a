# SPDX-License-Identifier: Apache-2.0
# When the sources were made, so that two builds of them are the same bytes.
# Source: the specification of SOURCE_DATE_EPOCH, reproducible-builds.org.

# Sets in the caller EPOCH (seconds since 1970; SOURCE_DATE_EPOCH of the environment, else the commit's time) and COMMIT
# (12 digits, with "+" when files differ from it). Empty where that is not known: of sources without git, and not made by
# `git archive`, which fills packaging/commit in.
function(barewire_source_date source epoch commit)
  set(git git -c safe.directory=* -C ${source})
  set(id)
  set(time)
  if(EXISTS ${source}/.git)
    execute_process(COMMAND ${git} log -1 --abbrev=12 "--format=%h %ct" OUTPUT_VARIABLE said ERROR_QUIET)
    execute_process(COMMAND ${git} diff-index --quiet HEAD RESULT_VARIABLE differs ERROR_QUIET)
  else()
    file(READ ${source}/packaging/commit said)
    set(differs 0)
  endif()
  if(said MATCHES "^([0-9a-f]+) ([0-9]+)")
    string(SUBSTRING ${CMAKE_MATCH_1} 0 12 id)
    set(time ${CMAKE_MATCH_2})
    if(NOT differs EQUAL 0)
      string(APPEND id "+")
    endif()
  endif()
  if(DEFINED ENV{SOURCE_DATE_EPOCH})
    set(time $ENV{SOURCE_DATE_EPOCH})
  endif()
  set(${epoch} "${time}" PARENT_SCOPE)
  set(${commit} "${id}" PARENT_SCOPE)
endfunction()
