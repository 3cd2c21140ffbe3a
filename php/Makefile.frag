# Builds the extension with cargo, and copies its shared object to the folder of modules for "make install". The target's name ends in .la
# because PHP's makefile expects a libtool library; "make install" removes such files and installs the others.
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
