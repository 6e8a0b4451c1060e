"""DICOM in, result out, by a served model: over gRPC or REST, within a deadline, with errors in one line.

with client.connect("grpc://host:8500/atlantoaxial") as endpoint:
    model = client.landmarker(endpoint)
    films = [film.read("film.dcm")]
    for result in reading.measure_films(model, films):
        print(result.millimetres, result.verdict, result.flags)

Addresses: see `raspine.serving.address`. Deadlines, retries, TLS and tokens: see `raspine.serving.options`. What can go
wrong: see `raspine.serving.errors`. A risk model is `client.risk_model(endpoint)`, for `study_reading.read`.
"""

from raspine.serving.endpoint import Endpoint, connect
from raspine.serving.errors import AnswerError, EndpointError, RefusedError, SettingsError
from raspine.serving.options import Options
from raspine.serving.remote import RemoteModel, landmarker, load, risk_model
from raspine.serving.remote_landmarker import RemoteLandmarker
from raspine.serving.remote_risk import RemoteRiskModel

__all__ = [
    "AnswerError",
    "Endpoint",
    "EndpointError",
    "Options",
    "RefusedError",
    "RemoteLandmarker",
    "RemoteModel",
    "RemoteRiskModel",
    "SettingsError",
    "connect",
    "landmarker",
    "load",
    "risk_model",
]
