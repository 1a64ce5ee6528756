# What the ports tree of FreeBSD does with a port, as far as packaging/freebsd-port asks for it: USES=cargo names the program by the
# target, what is not asked for of OPTIONS_DEFINE has targets of its own after the installation, and manuals are compressed in the stage.
# STAGEDIR, WRKSRC, WRKDIR and what of the options is off (OPTIONS_OFF) come from the test.

PREFIX=		/usr/local
DATADIR=	${PREFIX}/share/${PORTNAME}
DOCSDIR=	${PREFIX}/share/doc/${PORTNAME}
EXAMPLESDIR=	${PREFIX}/share/examples/${PORTNAME}
MAKE_CMD=	${.MAKE}
INSTALL_TARGET=	install
RM=		rm -f
CARGO_TARGET_DIR=	${WRKDIR}/target
CARGO_BUILD_TARGET=	x86_64-unknown-freebsd

stage: do-install ${OPTIONS_OFF:@it@post-install-${it}-off@}
	find ${STAGEDIR}${PREFIX}/share/man -type f -exec gzip -n {} +

.for it in ${OPTIONS_OFF}
post-install-${it}-off: do-install
.endfor
