# Options that make an error in the library harder to exploit, where compiler and linker support
# them: checked copies (_FORTIFY_SOURCE), stack protectors, control-flow protection (CET; BTI and PAC
# on ARM), and relocations that are read-only after loading (RELRO and BIND_NOW). They are for
# optimised builds without a sanitizer. bindings/node/src/hardening.js has the same for the addon;
# tests/install/hardened.sh checks what was built.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckLinkerFlag)

set(optimised "$<CONFIG:Release,RelWithDebInfo,MinSizeRel>")

set(DGRAM_HARDENING_COMPILE "")
set(DGRAM_HARDENING_LINK "")
if(DGRAM_HARDEN AND NOT DGRAM_SANITIZE)
  foreach(flag -fstack-protector-strong -fcf-protection=full -mbranch-protection=standard)
    string(MAKE_C_IDENTIFIER "DGRAM_HAS${flag}" has)
    set(CMAKE_REQUIRED_FLAGS -Werror) # clang takes those of other machines with a warning
    check_c_compiler_flag(${flag} ${has})
    unset(CMAKE_REQUIRED_FLAGS)
    if(${has})
      list(APPEND DGRAM_HARDENING_COMPILE ${flag})
    endif()
  endforeach()

  # The C library reports which level it supports with this compiler.
  foreach(level 3 2)
    set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${level} -Werror")
    check_c_source_compiles("
      #include <string.h>
      #if __USE_FORTIFY_LEVEL < ${level}
      #error this level is not supported
      #endif
      int main(void) { return 0; }" DGRAM_HAS_FORTIFY_${level})
    unset(CMAKE_REQUIRED_FLAGS)
    if(DGRAM_HAS_FORTIFY_${level})
      list(APPEND DGRAM_HARDENING_COMPILE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${level})
      break()
    endif()
  endforeach()

  foreach(flag relro now noexecstack)
    check_linker_flag(C -Wl,-z,${flag} DGRAM_HAS_Z_${flag})
    if(DGRAM_HAS_Z_${flag})
      list(APPEND DGRAM_HARDENING_LINK -Wl,-z,${flag})
    endif()
  endforeach()

  # The start-up files of some systems lack the SHSTK property although they support a shadow stack;
  # the linker would then drop ours. (They do not support IBT, so that is not forced.)
  if(DGRAM_HAS_fcf_protection_full)
    check_linker_flag(C -Wl,-z,shstk DGRAM_HAS_Z_shstk)
    if(DGRAM_HAS_Z_shstk)
      list(APPEND DGRAM_HARDENING_LINK -Wl,-z,shstk)
    endif()
  endif()
endif()

# Hardens a target, but none that links to it.
function(dgram_harden target)
  target_compile_options(${target} PRIVATE "$<${optimised}:${DGRAM_HARDENING_COMPILE}>")
  get_target_property(kind ${target} TYPE)
  if(kind MATCHES "SHARED_LIBRARY|EXECUTABLE")
    target_link_options(${target} PRIVATE "$<${optimised}:${DGRAM_HARDENING_LINK}>")
  endif()
endfunction()
