# cmake -DNM=nm -DWITHOUT=sisyphusd -DWITH=sim -P planted_absent.cmake
# Fails if the binary WITHOUT planted mistakes has the switch for them, or the one WITH them has not.

function(symbols binary result)
  execute_process(COMMAND "${NM}" --demangle "${binary}" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  if(NOT output MATCHES "sisyphus::raft::Core")
    message(FATAL_ERROR "${binary}: no symbols to look at")
  endif()
  set(${result} "${output}" PARENT_SCOPE)
endfunction()

symbols("${WITHOUT}" output)
if(output MATCHES "sisyphus::[Pp]lanted")
  message(FATAL_ERROR "${WITHOUT} has a switch for planted mistakes")
endif()
symbols("${WITH}" output)
if(NOT output MATCHES "sisyphus::planted")
  message(FATAL_ERROR "${WITH} has no switch for planted mistakes")
endif()
