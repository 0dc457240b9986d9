# The sandbox as an image. The first stage builds everything, with the versions of constraints.txt; the second has the result
# and nothing to build with.
#
# It listens on every address of the container, so it wants a control token:
#   docker run --env METRONOME_SANDBOX_CONTROL_TOKEN=choose-one --publish 127.0.0.1:4010:4010 metronome-sandbox

FROM python:3.13-slim AS build
WORKDIR /build
COPY constraints.txt ./
RUN ["pip", "install", "--no-cache-dir", "--constraint", "constraints.txt", "hatchling"]
COPY pyproject.toml README.md LICENSE ./
COPY fixtures/ fixtures/
COPY src/ src/
RUN ["pip", "wheel", "--no-cache-dir", "--no-build-isolation", "--constraint", "constraints.txt", "--wheel-dir", "wheels", "."]
RUN ["python", "-m", "venv", "/opt/sandbox"]
# From the wheels alone: nothing of that name is fetched from anywhere.
RUN ["/opt/sandbox/bin/pip", "install", "--no-cache-dir", "--no-index", "--find-links", "wheels", "metronome-sandbox"]

FROM python:3.13-slim
LABEL org.opencontainers.image.title="metronome-sandbox" \
      org.opencontainers.image.description="An independent, stateful sandbox server of the Metronome billing API" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/sandbox /opt/sandbox
ENV PATH="/opt/sandbox/bin:$PATH" PYTHONUNBUFFERED=1
# Nobody in particular: the sandbox writes nothing, unless --state names a file on a volume.
USER 10001:10001
EXPOSE 4010
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:4010/sandbox/health', timeout=2)"]
ENTRYPOINT ["metronome-sandbox", "serve", "--host", "0.0.0.0"]
