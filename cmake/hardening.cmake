# What makes an error in the library harder to exploit, where compiler and linker have it: checked
# copies (_FORTIFY_SOURCE) and stack protectors, control-flow protection (CET; BTI and PAC on ARM),
# and tables of functions that are read-only once the loader is done (RELRO and BIND_NOW). For
# optimised builds, unless a sanitizer looks closer. bindings/node/src/hardening.js has the same for
# the addon; tests/install/hardened.sh looks whether it is in what was built.
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

  # The C library says how much of it there is for this compiler.
  foreach(level 3 2)
    set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${level} -Werror")
    check_c_source_compiles("
      #include <string.h>
      #if __USE_FORTIFY_LEVEL < ${level}
      #error this level is not there
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

  # The start-up files of some systems have no note of a shadow stack, although they can do with
  # one, and then the linker would leave out ours. (They can't do with IBT: that stays theirs.)
  if(DGRAM_HAS_fcf_protection_full)
    check_linker_flag(C -Wl,-z,shstk DGRAM_HAS_Z_shstk)
    if(DGRAM_HAS_Z_shstk)
      list(APPEND DGRAM_HARDENING_LINK -Wl,-z,shstk)
    endif()
  endif()
endif()

# Hardens a target; another that links to it does as it likes.
function(dgram_harden target)
  target_compile_options(${target} PRIVATE "$<${optimised}:${DGRAM_HARDENING_COMPILE}>")
  get_target_property(kind ${target} TYPE)
  if(kind MATCHES "SHARED_LIBRARY|EXECUTABLE")
    target_link_options(${target} PRIVATE "$<${optimised}:${DGRAM_HARDENING_LINK}>")
  endif()
endfunction()
