# SPDX-License-Identifier: MIT
# The libraries of docs/dependencies.md, all found by pkg-config.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
add_library(gatherd_dependencies INTERFACE)
target_link_libraries(gatherd_dependencies INTERFACE Threads::Threads m)
foreach(module libevent libevent_pthreads evhtp jansson sqlite3 libcurl libcares libconfuse zlib
               libbrotlidec libzstd libcrypto libssl libidn2)
  pkg_check_modules(dep_${module} REQUIRED IMPORTED_TARGET ${module})
  target_link_libraries(gatherd_dependencies INTERFACE PkgConfig::dep_${module})
endforeach()
