# SPDX-License-Identifier: MIT
# What is installed beside the programs: configuration, manual pages, shell completions, and what
# systemd needs. Paths in the units follow the installation prefix.

set(GATHERD_UNIT_DIR lib/systemd/system CACHE STRING "Where systemd's units are installed")

# The configuration is never overwritten: it belongs to whoever changed it.
if(TARGET gatherd)
  set(conf ${CMAKE_INSTALL_FULL_SYSCONFDIR}/gatherd)
  install(CODE "
    if(NOT EXISTS \"\$ENV{DESTDIR}${conf}/gatherd.conf\")
      file(INSTALL DESTINATION \"${conf}\" TYPE FILE FILES \"${CMAKE_SOURCE_DIR}/config/gatherd.conf\")
    endif()
    file(MAKE_DIRECTORY \"\$ENV{DESTDIR}${conf}/conf.d\")" COMPONENT gatherd)

  foreach(unit gatherd.service gatherd.socket)
    file(READ systemd/${unit} text)
    string(REPLACE /usr/sbin/gatherd ${CMAKE_INSTALL_FULL_SBINDIR}/gatherd text "${text}")
    string(REPLACE /etc/gatherd ${conf} text "${text}")
    file(CONFIGURE OUTPUT systemd/${unit} CONTENT "${text}" @ONLY)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS systemd/${unit})
    install(FILES ${CMAKE_BINARY_DIR}/systemd/${unit} DESTINATION ${GATHERD_UNIT_DIR} COMPONENT gatherd)
  endforeach()
  install(FILES systemd/gatherd.sysusers DESTINATION lib/sysusers.d RENAME gatherd.conf
          COMPONENT gatherd)
  install(FILES systemd/address-deny.conf DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
          COMPONENT gatherd)
endif()

# gather prints its completions itself, so they cannot lag behind its verbs.
if(TARGET gather)
  foreach(shell bash fish)
    set(out ${CMAKE_BINARY_DIR}/completion/gather.${shell})
    add_custom_command(OUTPUT ${out} COMMAND gather completion ${shell} > ${out} DEPENDS gather
                       VERBATIM)
    list(APPEND completions ${out})
  endforeach()
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/completion)
  add_custom_target(completions ALL DEPENDS ${completions})
  install(FILES ${CMAKE_BINARY_DIR}/completion/gather.bash
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME gather
          COMPONENT gather)
  install(FILES ${CMAKE_BINARY_DIR}/completion/gather.fish
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT gather)
endif()

# page.N.scd -> man/page.N. Without scdoc there are no pages, and nothing else is missing.
find_program(SCDOC scdoc)
if(SCDOC)
  file(GLOB pages CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/docs/man/*.scd")
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/man)
  foreach(page IN LISTS pages)
    get_filename_component(name ${page} NAME)
    string(REGEX REPLACE "\\.scd$" "" name ${name})
    string(REGEX REPLACE "^.*\\.([0-9])$" "\\1" section ${name})
    set(out ${CMAKE_BINARY_DIR}/man/${name})
    add_custom_command(OUTPUT ${out} COMMAND ${SCDOC} < ${page} > ${out} DEPENDS ${page} VERBATIM)
    list(APPEND manuals ${out})
    install(FILES ${out} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endforeach()
  add_custom_target(manuals ALL DEPENDS ${manuals})
else()
  message(STATUS "scdoc not found: no manual pages")
endif()
