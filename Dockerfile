# latentia with everything, on the CPU; a GPU needs torch's other wheels: --build-arg TORCH=https://pypi.org/simple
#   docker build -t latentia .
#   docker run --rm -v "$PWD:/work" latentia train pictures --out runs/mine
#   docker run --rm -v "$PWD:/work" -p 8000:8000 latentia explore runs/mine --host 0.0.0.0 --port 8000 --no-browser
FROM python:3.11-slim

ARG TORCH=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src src
RUN pip install --no-cache-dir --extra-index-url "$TORCH" -c constraints.txt '.[all]' && rm -rf /src

# Files belong to who started it where --user says so; nothing needs root.
RUN useradd --create-home latentia
USER latentia
WORKDIR /work
ENTRYPOINT ["latentia"]
CMD ["--help"]
