from tests.engine import names
def test_x(api, undisturbed, home):
    print(api.artifacts(undisturbed.census)); print(api.said(undisturbed.census)); print(api.states(undisturbed.census))
    print(undisturbed.after_returns)
    assert set(api.deployments()) == names.DEPLOYMENTS
    import subprocess; print((home/"server"/"server.log").read_text()[-2000:]); print((home/"worker"/"worker-one.log").read_text()[-3000:])
