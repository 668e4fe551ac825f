# SPDX-License-Identifier: MIT
# Compiler flags shared by every target.
add_library(gatherd_flags INTERFACE)
target_compile_definitions(gatherd_flags INTERFACE _GNU_SOURCE GATHERD_VERSION="${PROJECT_VERSION}")
target_include_directories(gatherd_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(gatherd_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
  -Wundef -Wpointer-arith -Wcast-qual -Wwrite-strings -fno-common -fstack-protector-strong -g)
# Assertions stay in: they guard states that must never be, and cost nothing measurable.
set(CMAKE_C_FLAGS_RELEASE "")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(gatherd_flags INTERFACE -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(GATHERD_SANITIZE)
  target_compile_options(gatherd_flags INTERFACE -fsanitize=${GATHERD_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(gatherd_flags INTERFACE -fsanitize=${GATHERD_SANITIZE})
endif()
if(GATHERD_COVERAGE)
  target_compile_options(gatherd_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(gatherd_flags INTERFACE --coverage)
endif()
if(GATHERD_FUZZ)
  target_compile_options(gatherd_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_options(gatherd_flags INTERFACE -Wl,-z,relro,-z,now)
