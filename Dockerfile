# Builds with `docker build .` and with `buildah bud .`; see docs/deploy.md.
# For what is rolled out, pin it: NODE_IMAGE=node:24-slim@sha256:… with PINNED=true, which refuses any other. The digest that a tag stands
# for today: docker buildx imagetools inspect node:24-slim --format '{{.Manifest.Digest}}'
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
ARG NODE_IMAGE
ARG PINNED=false
RUN echo "${NODE_IMAGE}" | grep -Eq '@sha256:[0-9a-f]{64}$' \
  || { echo "the base image ${NODE_IMAGE} is not pinned by digest; see NODE_IMAGE in the Dockerfile" >&2; [ "${PINNED}" != true ]; }
WORKDIR /app
COPY package.json package-lock.json ./
# The compiler is all that is needed here, so nothing runs its install script.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src ./src
RUN node src/build.mjs && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  && find node_modules -type f \( -name '*.md' -o -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete \
  && rm -rf node_modules/.package-lock.json node_modules/zod/src

FROM ${NODE_IMAGE}
ARG NODE_IMAGE
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="logout-relay" \
  org.opencontainers.image.description="Delivers OpenID Connect Back-Channel Logout tokens from Kafka triggers to every relying party" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.base.name="${NODE_IMAGE}" \
  org.opencontainers.image.licenses="MIT"
# One arena for all threads: what the threads of V8 free stays in arenas of their own, some 15 MB of them under load.
ENV NODE_ENV=production \
  MALLOC_ARENA_MAX=1
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --chmod=755 src/bin.mjs ./src/bin.mjs
# The compiled form of every module is made here, as the user that runs, whose id is part of its place; afterwards nobody may write it: it is
# code that the next start would run.
RUN ln -s /app/src/bin.mjs /usr/local/bin/logout-relay \
  && mkdir compile-cache && chown 65532:65532 compile-cache \
  && node -e "require('node:child_process').execFileSync('logout-relay', ['--version'], \
    { uid: 65532, gid: 65532, stdio: 'inherit', env: { ...process.env, NODE_COMPILE_CACHE: '/app/compile-cache' } })" \
  && chown -R 0:0 compile-cache && chmod -R a-w,a+rX compile-cache
ENV NODE_COMPILE_CACHE=/app/compile-cache
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "const{PORT=8080,BIND_ADDRESS:a=''}=process.env;fetch(`http://${/^[0.:]*$/.test(a)?'127.0.0.1':a.includes(':')?`[${a}]`:a}:${PORT||8080}/livez`).then(({ok})=>process.exit(ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["logout-relay"]
CMD ["serve"]
