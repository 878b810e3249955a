# Builds `weathervane` and puts the one binary on a small Debian. It needs BuildKit: the builder of Docker since 23 and of
# Compose 2; before, set DOCKER_BUILDKIT=1. Podman and buildah build it too.
#
#   docker build -t weathervane .
#   docker run -p 127.0.0.1:9090:9090 -v weathervane:/data -e LABEL_STUDIO_URL=... weathervane

FROM rust:1.95.0-bookworm AS builder
# The image is the toolchain; rust-toolchain.toml would fetch rustfmt and clippy as well.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never
WORKDIR /src
COPY . .
# The caches outlive the layer, so that a change of the sources recompiles this crate only. Without default features it has
# one tensor library in place of two.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --no-default-features --bin weathervane \
    && install -D target/release/weathervane /out/weathervane

FROM debian:bookworm-slim
# The certificates are for images and Label Studio on https; always the newest ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 weathervane \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin weathervane \
    && install -d -o weathervane -g weathervane /data
COPY --from=builder /out/weathervane /usr/local/bin/weathervane
COPY LICENSE LICENSE-APACHE LICENSE-MIT NOTICE assets/LICENSE-efficientnet-lite /usr/share/doc/weathervane/

ENV HOST=0.0.0.0 PORT=9090 MODEL_DIR=/data
VOLUME /data
EXPOSE 9090
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["weathervane", "healthcheck"]
ENTRYPOINT ["weathervane"]
CMD ["serve"]
