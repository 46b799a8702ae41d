# What `cmake --install` puts where, and the Debian package made of the same by cpack.
#
#   cmake --install build/release --prefix /usr/local
#   cpack --config build/release/CPackConfig.cmake -G DEB -B .
include(GNUInstallDirs)

install(TARGETS sisyphusd sicli)
configure_file(cmake/install_paths.cmake.in "${CMAKE_BINARY_DIR}/packaging/install_paths.cmake" @ONLY)
install(SCRIPT "${CMAKE_BINARY_DIR}/packaging/install_paths.cmake")
foreach(shell IN ITEMS bash zsh fish)
  set(completion "${CMAKE_BINARY_DIR}/packaging/sicli.${shell}")
  add_custom_command(OUTPUT "${completion}"
    COMMAND sicli completion ${shell} > "${completion}" DEPENDS sicli VERBATIM)
  list(APPEND completions "${completion}")
endforeach()
add_custom_target(completions ALL DEPENDS ${completions})
install(FILES "${CMAKE_BINARY_DIR}/packaging/sicli.bash" RENAME sicli
  DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
install(FILES "${CMAKE_BINARY_DIR}/packaging/sicli.zsh" RENAME _sicli
  DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions")
install(FILES "${CMAKE_BINARY_DIR}/packaging/sicli.fish"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
install(FILES LICENSE RENAME copyright DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/sisyphusdb")
install(DIRECTORY deploy/grafana deploy/prometheus DESTINATION "${CMAKE_INSTALL_DATADIR}/sisyphusdb"
  PATTERN "kustomization.yaml" EXCLUDE PATTERN "*.test.yml" EXCLUDE)

# What is installed was built before: cpack does not build.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
configure_file(deploy/deb/changelog.in "${CMAKE_BINARY_DIR}/packaging/changelog" @ONLY)
set(changelog "${CMAKE_BINARY_DIR}/packaging/changelog.Debian.gz")
add_custom_command(OUTPUT "${changelog}"
  COMMAND gzip -9nc "${CMAKE_BINARY_DIR}/packaging/changelog" > "${changelog}"
  DEPENDS "${CMAKE_BINARY_DIR}/packaging/changelog" VERBATIM)
add_custom_target(changelog ALL DEPENDS "${changelog}")
install(FILES "${changelog}" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/sisyphusdb")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sisyphusdb)
set(CPACK_PACKAGE_VENDOR "SisyphusDB")
set(CPACK_PACKAGE_CONTACT "SisyphusDB maintainers <maintainers@sisyphusdb.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "passwd")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "replicated, ordered key-value store")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"sisyphusd is one node of a replicated, ordered key-value store: one Raft group
with an LSM tree on every node and an HTTP API in front. sicli is its
companion on the command line.
.
The service is not started by the installation: a node is told of its cluster
first, in /etc/sisyphus/sisyphusd.conf.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
file(WRITE "${CMAKE_BINARY_DIR}/packaging/conffiles" "/etc/sisyphus/sisyphusd.conf\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${CMAKE_SOURCE_DIR}/deploy/deb/postinst" "${CMAKE_SOURCE_DIR}/deploy/deb/prerm"
  "${CMAKE_SOURCE_DIR}/deploy/deb/postrm" "${CMAKE_BINARY_DIR}/packaging/conffiles")
include(CPack)
