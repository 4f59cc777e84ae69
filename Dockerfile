# Image of this project with the native library, for machines with NVIDIA GPUs and without: docs/installation.md.
# The CUDA libraries come with the library's own wheels, and the driver from the host (NVIDIA Container Toolkit).
# A base image with CUDA would add gigabytes that nothing opens.
ARG NODE=22

FROM node:${NODE}-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev

# Takes only what fetches the library, so that a change elsewhere does not fetch gigabytes again.
FROM node:${NODE}-bookworm-slim AS library
# gpu or cpu
ARG DEVICE=gpu
WORKDIR /build
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist/base ./dist/base
COPY --from=build /build/dist/tensorflow/install ./dist/tensorflow/install
RUN PIPELINE_CACHE=/fetched node dist/tensorflow/install/main.js "--${DEVICE}" \
    && mv /fetched/tensorflow-* /library

FROM node:${NODE}-bookworm-slim
WORKDIR /opt/mediator-sit
COPY --from=library /library ./library
COPY --from=build /build/package.json /build/LICENSE ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY --from=build /build/schemas ./schemas
COPY --from=build /build/pipelines /project/pipelines
RUN chmod +x dist/cli/bin.cjs \
    && ln -s /opt/mediator-sit/dist/cli/bin.cjs /usr/local/bin/pipeline \
    && mkdir /data /runs /cache \
    && chown -R 1000:1000 /project /runs /cache

# TensorFlow uses no GPU without NVML, which belongs to `utility`.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PIPELINE_TENSORFLOW=/opt/mediator-sit/library/tensorflow \
    PIPELINE_CACHE=/cache \
    PIPELINE_RUNS=/runs
WORKDIR /project
USER 1000:1000
HEALTHCHECK --interval=10m --timeout=2m --start-period=1m CMD ["pipeline", "doctor"]
ENTRYPOINT ["pipeline"]
CMD ["--help"]
