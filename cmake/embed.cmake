# SPDX-License-Identifier: MIT
# Puts files into the binary as assembler .incbin, so that the program needs nothing beside it.
enable_language(ASM)

# gatherd_embed_file(TARGET FILE): `TARGET_start`, `TARGET_end` bound the bytes of FILE.
function(gatherd_embed_file target file)
  set(out ${CMAKE_BINARY_DIR}/embed/${target}.S)
  set(path ${CMAKE_SOURCE_DIR}/${file})
  file(WRITE ${out}.in "    .section .rodata\n    .global ${target}_start\n    .global ${target}_end\n"
    "${target}_start:\n    .incbin \"${path}\"\n${target}_end:\n    .byte 0\n"
    "    .section .note.GNU-stack,\"\",%progbits\n")
  configure_file(${out}.in ${out} COPYONLY)
  set_source_files_properties(${out} PROPERTIES OBJECT_DEPENDS ${path})
  add_library(${target} OBJECT ${out})
endfunction()

# gatherd_embed_folder(TARGET FOLDER PATTERN): a table `TARGET[]` of {name, start, end}, in order of
# name, ended by an all-NULL row; see daemon/store/schema.h for the type.
function(gatherd_embed_folder target folder pattern)
  file(GLOB files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/${pattern}")
  list(SORT files)
  set(out ${CMAKE_BINARY_DIR}/embed/${target}.S)
  set(body "")
  set(table "    .section .data.rel.ro,\"aw\"\n    .balign 8\n    .global ${target}\n${target}:\n")
  set(n 0)
  foreach(file IN LISTS files)
    get_filename_component(name ${file} NAME)
    string(APPEND body ".Ls${n}:\n    .incbin \"${file}\"\n.Le${n}:\n    .byte 0\n.Ln${n}:\n    .asciz \"${name}\"\n")
    string(APPEND table "    .quad .Ln${n}, .Ls${n}, .Le${n}\n")
    math(EXPR n "${n} + 1")
  endforeach()
  file(WRITE ${out}.in "    .section .rodata\n${body}${table}    .quad 0, 0, 0\n"
    "    .section .note.GNU-stack,\"\",%progbits\n")
  configure_file(${out}.in ${out} COPYONLY)
  set_source_files_properties(${out} PROPERTIES OBJECT_DEPENDS "${files}")
  add_library(${target} OBJECT ${out})
endfunction()
