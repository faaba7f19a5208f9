# syntax=docker/dockerfile:1
# One file for every service and the cli:
#   docker build --build-arg SERVICE=ingest --tag freshet-ingest .
# SERVICE is one of k8s/binaries. All images share every layer but the last, so that the second one takes no build at all.

ARG RUST_VERSION=1.95.0

FROM rust:${RUST_VERSION}-bookworm AS toolchain
RUN cargo install cargo-chef --version 0.1.78 --locked
WORKDIR /src

# The dependencies that manifests and lock file ask for. The recipe holds no line of our own code, so that the layer made
# from it stays while only code changes.
FROM toolchain AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM toolchain AS build
# release, or image-dev: quick to rebuild, for skaffold dev.
ARG CARGO_PROFILE=release
COPY k8s/build k8s/binaries k8s/
COPY --from=recipe /src/recipe.json recipe.json
RUN k8s/build chef cook --recipe-path recipe.json
COPY . .
# The mount keeps what the compiler remembers of our own crates; the profile `release` remembers nothing.
RUN --mount=type=cache,target=/incremental,sharing=locked \
    built="target/$(uname -m)-unknown-linux-gnu/$CARGO_PROFILE" && \
    rm -rf "$built/incremental" && ln -s /incremental "$built/incremental" && \
    k8s/build && \
    mkdir /out && find "$built" -maxdepth 1 -type f -executable -exec cp {} /out ';'

# Nothing but the program. The certificates of public authorities are in the binary (webpki-roots); private ones are
# mounted and named by PGSSLROOTCERT, KAFKA_CA_FILE or SSL_CERT_FILE; K_CA_CERTS holds them itself.
FROM scratch
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="freshet ${SERVICE}" \
      org.opencontainers.image.description="Sensor readings, stored exactly once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chmod=0555 /out/${SERVICE:?required} /service
# Numeric, so that `runAsNonRoot` can be checked.
USER 65532:65532
ENTRYPOINT ["/service"]
