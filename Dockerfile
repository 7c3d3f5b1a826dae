# The daemon in a small image: no shell, not root, TLS to Kafka built in.
#
#   docker build -t engine .
#   docker run -v "$PWD/rules:/etc/engine:ro" -v engine-state:/var/lib/engine -p 8080:8080 --env-file secrets.env engine
#
# engine.yaml says `state: /var/lib/engine`, `listen: 0.0.0.0:8080`, and where the admin API shall be reached from
# outside `admin: { listen: 0.0.0.0:8081, token_env: … }`.
FROM rust:1.91-bookworm AS build
WORKDIR /src
COPY . .
# zlib goes into the binary: the image below has none. OpenSSL is built with it, by the perl and make of this image.
ENV LIBZ_SYS_STATIC=1
RUN cargo build --locked --profile dist --package engine --features kafka-tls \
 && mkdir /empty

# Of Debian 12, as above: glibc, CA certificates for the calls, time zones for the schedules.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/engine /usr/local/bin/engine
COPY --from=build --chown=65532:65532 /empty /var/lib/engine
VOLUME /var/lib/engine
WORKDIR /etc/engine
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["/usr/local/bin/engine", "status", "--alive"]
ENTRYPOINT ["/usr/local/bin/engine"]
CMD ["run"]
