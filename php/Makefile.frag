# How make builds the extension: cargo makes it, its shared object goes where "make install" takes modules from. The target is called
# .la because PHP's makefile expects a libtool library; "make install" removes those and installs what is left.
LINKSPAN_TARGET = $(top_builddir)/target

.PHONY: linkspan-cargo
linkspan-cargo:
	cd "$$(cd $(top_srcdir) && pwd -P)" && env PHP_CONFIG="$$(command -v $(PHP_CONFIG))" PHP="$$($(PHP_CONFIG) --php-binary)" \
		$(if $(LIBCLANG_PATH),LIBCLANG_PATH="$(LIBCLANG_PATH)") CARGO_TARGET_DIR="$(LINKSPAN_TARGET)" \
		$(CARGO) build --release --locked -p linkspan-php

$(phplibdir)/linkspan.la: linkspan-cargo
	@mkdir -p $(phplibdir)
	cp $(LINKSPAN_TARGET)/release/liblinkspan_php.so $(phplibdir)/linkspan.so
	touch $@
