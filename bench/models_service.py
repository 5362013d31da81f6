"""A model behind FastAPI, as one would write it; for bench/models.py.

    python models_service.py statsmodels applicants.csv PORT
    python models_service.py rpy2 admission.rds PORT

Serves GET /predict?gre=800&gpa=4&rank=1 until it is killed.
"""

import sys

import fastapi
import uvicorn

KIND, FILE, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
app = fastapi.FastAPI()

if KIND == "statsmodels":
    import pandas
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    model = smf.glm("admit ~ gre + gpa + C(rank)", pandas.read_csv(FILE), family=sm.families.Binomial()).fit()

    def predict(gre: float, gpa: float, rank: int) -> float:
        return float(model.predict(pandas.DataFrame({"gre": [gre], "gpa": [gpa], "rank": [rank]}))[0])

else:
    import rpy2.robjects as ro

    ro.r(f"model <- readRDS({FILE!r})")
    r_predict = ro.r(
        'function(gre, gpa, rank) predict(model, data.frame(gre = gre, gpa = gpa, rank = factor(rank, 1:4)), type = "response")'
    )

    def predict(gre: float, gpa: float, rank: int) -> float:
        return r_predict(gre, gpa, rank)[0]


# R has one thread, and statsmodels gains nothing from more.
@app.get("/predict")
async def answer(gre: float, gpa: float, rank: int):
    p = predict(gre, gpa, rank)
    return {"admitted": p > 0.5, "probability": p}


uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="error", access_log=False)
