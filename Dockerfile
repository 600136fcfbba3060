# The image of Latchkey: docker build --build-arg VERSION=0.7.0 --tag latchkey:0.7.0 .
# `latchkey version` in it also prints the commit, if COMMIT is its hash and DATE its time, as in 2026-11-27T06:21:34Z.
#
# `make image` makes the same image without Docker: it reads the last stage from this file, and the first stage runs the
# script that it runs. The tests run that image.
FROM --platform=$BUILDPLATFORM golang:1.27.3 AS build
ARG TARGETARCH
ARG VERSION=dev
ARG COMMIT
ARG DATE
WORKDIR /src
COPY . .
RUN sh deploy/image/root.sh /image "$TARGETARCH" "$VERSION" "$COMMIT" "$DATE"

FROM scratch
LABEL org.opencontainers.image.title="Latchkey" \
      org.opencontainers.image.description="An authentication service on PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/root/ /
COPY --from=build --chown=65532:65532 /image/data/ /var/lib/
ENV LATCHKEY_ADDR=:8000 \
    LATCHKEY_DATA_DIR=/var/lib/latchkey
EXPOSE 8000
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=1m --retries=3 CMD ["/usr/bin/latchkey", "healthcheck"]
ENTRYPOINT ["/usr/bin/latchkey"]
CMD ["serve"]
