"""The Sample Data module, as far as a module registers samples with it and loads them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import slicer


class SampleDataSource:
    """A sample. Fields of several files are lists of one length."""

    def __init__(
        self,
        sampleName: str | None = None,
        sampleDescription: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        checksums: Any = None,
        loadFiles: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFileProperties: dict[str, Any] | None = None,
        loadFileType: Any = None,
    ) -> None:
        files = {"fileNames": fileNames, "nodeNames": nodeNames, "checksums": checksums, "loadFiles": loadFiles}
        self.uris = [uris] if isinstance(uris, str) else list(uris)
        for name, value in {**files, "loadFileTypes": loadFileTypes or loadFileType}.items():
            values = list(value) if isinstance(value, list | tuple) else [value] * len(self.uris)
            if len(values) != len(self.uris):
                raise ValueError(f"{name} and uris of the sample {sampleName} are not of one length")
            setattr(self, name, values)
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription or sampleName
        self.customDownloader = customDownloader
        self.thumbnailFileName = thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}


class SampleDataLogic:
    """Registers and loads samples; downloads nothing."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: Any = None,
        loadFileProperties: dict[str, Any] | None = None,
        checksums: Any = None,
        loadFileType: Any = None,
    ) -> None:
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes or loadFileType,
            loadFiles=loadFiles,
            loadFileProperties=loadFileProperties,
            checksums=checksums,
            customDownloader=customDownloader,
        )
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        listed = slicer.modules.sampleDataSources.setdefault(category, [])
        if sampleName not in [other.sampleName for other in listed]:
            listed.append(source)

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        sources = [source for listed in slicer.modules.sampleDataSources.values() for source in listed]
        return next((source for source in sources if source.sampleName == sampleName), None)

    def downloadFromSource(self, source: SampleDataSource) -> list[Any]:
        """Goes by the files alone, as Slicer's: only the sample's button asks a customDownloader."""
        if source.uris:
            raise NotImplementedError("the stand-in downloads nothing")
        return []

    def downloadSamples(self, sampleName: str) -> list[Any]:
        source = self.sourceForSampleName(sampleName)
        return self.downloadFromSource(source) if source is not None else []


def make_sample_data() -> ModuleType:
    """The module SampleData."""
    module = ModuleType("SampleData")
    module.__dict__.update(SampleDataSource=SampleDataSource, SampleDataLogic=SampleDataLogic)
    return module
