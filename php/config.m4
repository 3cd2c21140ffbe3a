dnl Lets phpize and PIE build the extension: the work is cargo's, see Makefile.frag.
PHP_ARG_ENABLE([linkspan],
  [whether to enable Linkspan],
  [AS_HELP_STRING([--enable-linkspan], [Enable Linkspan: channels, publish and subscribe, latest values])],
  [yes])

if test "$PHP_LINKSPAN" != "no"; then
  AC_PATH_PROG([CARGO], [cargo], [no], [$PATH:$HOME/.cargo/bin])
  if test "$CARGO" = "no"; then
    AC_MSG_ERROR([cargo is missing: Linkspan needs Rust 1.89 or newer from https://rustup.rs])
  fi

  dnl ext-php-rs reads PHP's headers with libclang; Debian keeps it beside LLVM, where its loader looks only when told.
  if test -z "$LIBCLANG_PATH"; then
    for candidate in /usr/lib/llvm-*/lib; do
      dnl Not libclang-cpp.so, which has another interface.
      if ls "$candidate"/libclang.so* "$candidate"/libclang-@<:@0-9@:>@*.so* 2>/dev/null | grep -q .; then LIBCLANG_PATH="$candidate"; fi
    done
  fi

  PHP_SUBST([CARGO])
  PHP_SUBST([PHP_CONFIG])
  PHP_SUBST([LIBCLANG_PATH])
  dnl No C sources and so no PHP_NEW_EXTENSION, which would say where the fragment lies.
  PHP_ADD_MAKEFILE_FRAGMENT([$abs_srcdir/Makefile.frag], [$abs_srcdir], [$abs_builddir])
  PHP_MODULES="$PHP_MODULES \$(phplibdir)/linkspan.la"
  install_modules="install-modules"
  PHP_SUBST([PHP_MODULES])
fi
