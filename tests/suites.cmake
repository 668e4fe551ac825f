# SPDX-License-Identifier: MIT
# Everything of the test run that is not a unit test: lint, and one entry for each integration test
# file. They run with Debian's Python, whatever else comes first on PATH.
set(PYTHON /usr/bin/python3)
set(PYTEST ${PYTHON} -B -m pytest -q -p no:cacheprovider)

add_test(NAME lint COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/lint/lint.py ${CMAKE_SOURCE_DIR})
add_test(NAME lint.rules COMMAND ${PYTEST} ${CMAKE_CURRENT_SOURCE_DIR}/lint/test_lint.py)
set_tests_properties(lint lint.rules PROPERTIES LABELS lint TIMEOUT 120)

# Verdicts of ours against those of other implementations.
if(TARGET address_verdict AND TARGET robots_verdict)
  foreach(name address_verdicts robots_verdicts)
    add_test(NAME differential.${name} COMMAND ${PYTEST} ${CMAKE_CURRENT_SOURCE_DIR}/differential/test_${name}.py)
    set_tests_properties(differential.${name} PROPERTIES LABELS unit TIMEOUT 120
      ENVIRONMENT "ADDRESS_VERDICT=$<TARGET_FILE:address_verdict>;ROBOTS_VERDICT=$<TARGET_FILE:robots_verdict>")
  endforeach()
endif()

if(TARGET gatherd AND TARGET gather)
  # Tests that measure time or memory, or load both cores, run alone.
  set(codes ${CMAKE_CURRENT_BINARY_DIR}/codes)
  set(alone idle fairness hosts politeness control)
  file(GLOB suites CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/integration/test_*.py")
  foreach(suite IN LISTS suites)
    get_filename_component(name ${suite} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    add_test(NAME integration.${name} COMMAND ${PYTEST} ${suite})
    set_tests_properties(integration.${name} PROPERTIES LABELS integration TIMEOUT 300
      ENVIRONMENT "GATHERD_BIN=$<TARGET_FILE:gatherd>;GATHER_BIN=$<TARGET_FILE:gather>;GATHERD_CODES=${codes};\
SERVERS_TABLE=${CMAKE_BINARY_DIR}/server-behaviours.txt")
    list(APPEND integration_tests integration.${name})
    if(name IN_LIST alone)
      set_tests_properties(integration.${name} PROPERTIES RUN_SERIAL TRUE)
    endif()
  endforeach()
  # Together they meet every error code there is.
  add_test(NAME codes.begin COMMAND ${CMAKE_COMMAND} -E rm -rf ${codes})
  add_test(NAME codes COMMAND ${PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/codes.py ${CMAKE_SOURCE_DIR} ${codes})
  set_tests_properties(codes.begin PROPERTIES FIXTURES_SETUP codes)
  set_tests_properties(${integration_tests} PROPERTIES FIXTURES_REQUIRED codes)
  set_tests_properties(codes PROPERTIES LABELS integration DEPENDS "${integration_tests}")
endif()
